"""Thousands of pictures or prompts to layered files, unattended: planned, journalled, continued."""
