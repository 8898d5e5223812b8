"""Step 3: whose is it, and what changes? Identities, references, the plan, the guard."""
