"""Shows the four steps in Dagster: components, assets, checks, jobs, schedules. Nothing else imports dagster."""
