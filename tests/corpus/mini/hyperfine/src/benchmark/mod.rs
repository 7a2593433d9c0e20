use std::process::Command;
use std::time::Instant;
pub fn run(line: &str) -> f64 {
    let t = Instant::now();
    let _ = Command::new("sh").arg("-c").arg(line).status();
    let ms = t.elapsed().as_secs_f64() * 1e3;
    println!("  Time (mean ± σ): {ms:9.1} ms ± {:6.1} ms", 0.0);
    ms
}
