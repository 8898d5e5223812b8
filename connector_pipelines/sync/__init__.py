"""The four steps in order, and what goes around them: locks, cursors, receipts, replay."""
