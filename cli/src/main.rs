//! The command `vairun`.
fn main() {}
