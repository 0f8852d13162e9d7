//! The answer on the terminal.

use super::args::Model;
use super::figures::Figures;
use super::needs::Line;

pub(super) fn print(load: &Model, lines: &[Line], figures: &Figures) {
    println!(
        "{} users, {} of them connected, {} consultations at once, {:.0} % of every capacity left free",
        load.users,
        load.online,
        load.sessions,
        load.headroom * 100.0
    );
    let mut part = "";
    for line in lines {
        if line.part != part {
            part = line.part;
            println!("\n{part}");
        }
        println!("  {:<24} {:>14}   {}", line.what, line.value, line.formula);
    }
    println!("\nfigures, replaced by --figures FILE");
    for (name, figure) in figures.all() {
        println!("  {name:<32} {:>12}   {}", figure.value, figure.source);
    }
}
