"""The workflows that `init --github` writes into a repository: files, no code."""
