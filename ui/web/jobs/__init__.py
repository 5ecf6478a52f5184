"""What takes longer than an answer may: a queue of jobs, and one module for each kind of them."""
