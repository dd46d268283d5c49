"""Fine-tuning: the shapes of tasks, the files their examples come from, and the numbers that judge them."""
