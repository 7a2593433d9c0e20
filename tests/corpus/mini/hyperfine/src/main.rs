mod benchmark;
fn main() {
    let cmd: Vec<String> = std::env::args().skip(1).collect();
    for c in cmd { println!("Benchmark: {c}"); benchmark::run(&c); }
}
