use criterion::*;

fn bench_quick(c: &mut Criterion) {
    let mut group = c.benchmark_group("quickhash");
    group.bench_function("u8", |b| b.iter(|| quickhash::hash(&[1])));
    group.bench_function("strings", |b| b.iter(|| quickhash::hash(b"text")));
}

criterion_group!(benches, bench_quick);
criterion_main!(benches);
