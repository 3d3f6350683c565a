"""What is true: nouns, differences, rules and plans. Standard library only; no clock, no environment, no files."""
