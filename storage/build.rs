//! A new file in migrations/ must be seen: cargo watches sources, not folders.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
