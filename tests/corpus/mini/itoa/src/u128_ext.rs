pub fn tenth(n: u64) -> u64 { n / 10 }
