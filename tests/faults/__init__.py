"""What happens to a run when the world goes wrong: each test has a number, and counts the cases that it tried."""
