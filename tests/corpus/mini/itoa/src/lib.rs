mod u128_ext;
pub struct Buffer { room: [u8; 40] }
impl Buffer {
    pub fn new() -> Self { Buffer { room: [0; 40] } }
    pub fn format(&mut self, n: u64) -> &str {
        let mut rest = n;
        let mut at = 40;
        loop {
            at -= 1;
            self.room[at] = b'0' + (rest % 10) as u8;
            rest = u128_ext::tenth(rest);
            if rest == 0 { break; }
        }
        std::str::from_utf8(&self.room[at..]).unwrap()
    }
}
