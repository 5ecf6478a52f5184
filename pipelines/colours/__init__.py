"""The methods `palette` and `unblend`: layers of colour instead of objects."""
