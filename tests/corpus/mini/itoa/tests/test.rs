#[test]
fn prints_like_std() { assert_eq!(digits::Buffer::new().format(1204), "1204"); }
