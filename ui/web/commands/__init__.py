"""What a page can ask to be done to a document: a table of commands, each an edit of the core."""

from layerstudio.ui.web.commands.command import Command
from layerstudio.ui.web.commands.table import COMMANDS, command

__all__ = ["COMMANDS", "Command", "command"]
