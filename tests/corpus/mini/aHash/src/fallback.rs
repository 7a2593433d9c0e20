pub fn fold(b: &[u8]) -> u64 { b.iter().fold(0, |h, x| h.rotate_left(5) ^ *x as u64) }
