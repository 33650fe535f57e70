"""The commands of `tagstream`, one file a command or family.

A command's module imports nothing heavy at its top: `tagstream --help` reads them all and must stay quick. What a
command needs it imports when it runs.
"""
