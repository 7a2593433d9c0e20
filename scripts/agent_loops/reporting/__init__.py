"""What a campaign amounts to, for people and other tools: pictures, pages, exports, branches."""
