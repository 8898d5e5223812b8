"""Step 4: the core models, conflict rules, applying a plan, reading back."""
