#!/usr/bin/env python3
"""Become COMMAND, told to end when the calling script dies: die_with_parent.py COMMAND..."""

import os
import sys

from run import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    os.execvp(sys.argv[1], sys.argv[1:])
