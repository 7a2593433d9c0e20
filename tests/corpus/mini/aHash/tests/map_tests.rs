fn map(c: &mut Criterion) { c.bench_function("map", |b| b.iter(|| 1)); }
