#[test]
fn runs() { assert!(std::path::Path::new(env!("CARGO_BIN_EXE_stopclock")).exists()); }
