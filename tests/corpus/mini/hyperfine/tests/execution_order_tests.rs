#[test] fn order() {}
