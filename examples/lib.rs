//! Shared pieces of the command-line programs.
