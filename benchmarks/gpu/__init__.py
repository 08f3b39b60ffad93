"""What a GPU is for, checked and timed by one command; see README.md beside this file."""
