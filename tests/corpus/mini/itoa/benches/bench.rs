use criterion::{criterion_group, criterion_main, Criterion};
use std::hint;
use std::io::Write;

// One group per starting value; ours first, the standard library beside it as a yardstick.
macro_rules! pair {
    ($c:expr, $label:expr, $value:expr) => {{
        let mut g = $c.benchmark_group($label);
        g.bench_function("itoa", |b| {
            let mut out = digits::Buffer::new();
            b.iter(|| hint::black_box(out.format(hint::black_box($value)).len()));
        });
        g.bench_function("std::fmt", |b| {
            let mut out = Vec::new();
            b.iter(|| { out.clear(); write!(&mut out, "{}", hint::black_box($value)).unwrap(); });
        });
        g.finish();
    }};
}

fn all(c: &mut Criterion) {
    pair!(c, "u64[0]", 0u64);
    pair!(c, "u64[max]", u64::MAX);
    pair!(c, "i16[min]", 7u64);
    pair!(c, "u128[max]", u64::MAX - 1);
}

criterion_group!(benches, all);
criterion_main!(benches);
