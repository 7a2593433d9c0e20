pub fn rows(data: &[u8]) -> u64 {
    data.iter().filter(|b| csv_core::is_break(**b)).count() as u64
}
pub fn fields(data: &[u8]) -> u64 { rows(data) + data.iter().filter(|b| **b == b',').count() as u64 }
