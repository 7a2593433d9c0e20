pub fn is_break(b: u8) -> bool { b == b'\n' || b == b'\r' }
