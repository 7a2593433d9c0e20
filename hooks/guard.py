"""PreToolUse: stub."""
