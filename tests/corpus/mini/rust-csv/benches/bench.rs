#![feature(test)]
extern crate test;
use test::Bencher;

static NFL: &str = include_str!("../examples/data/bench/nfl.csv");

macro_rules! bench {
    ($name:ident, $input:ident, $f:path, $want:expr) => {
        #[bench]
        fn $name(b: &mut Bencher) {
            b.bytes = $input.len() as u64;
            b.iter(|| assert_eq!($f($input.as_bytes()), $want));
        }
    };
}

bench!(count_nfl_read_bytes, NFL, csv::rows, 3);
bench!(count_nfl_iter_bytes, NFL, csv::fields, 9);
bench!(count_game_read_bytes, NFL, csv::rows, 3);
