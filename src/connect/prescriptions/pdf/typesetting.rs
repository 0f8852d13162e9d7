//! Text to glyphs: parley shapes, wraps and aligns, krilla writes. The fonts are our own, so a page looks the same on every
//! machine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use krilla::color::luma;
use krilla::geom::Point;
use krilla::num::NormalizedF32;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use parley::fontique::{Blob, Collection, CollectionOptions};
use parley::layout::{Alignment, Layout, Line, Run};
use parley::style::{FontFamily, FontFamilyName, FontWeight, LineHeight, OverflowWrap, StyleProperty};
use parley::{FontContext, LayoutContext};

const FILES: [&[u8]; 4] = [
    include_bytes!("fonts/IBMPlexSans-Regular.ttf"),
    include_bytes!("fonts/IBMPlexSans-Bold.ttf"),
    include_bytes!("fonts/NotoSansDevanagari-Regular.ttf"),
    include_bytes!("fonts/NotoSansDevanagari-Bold.ttf"),
];
/// What the first does not have, the next is asked for.
const FAMILIES: [FontFamilyName<'static>; 2] = [
    FontFamilyName::Named(Cow::Borrowed("IBM Plex Sans")),
    FontFamilyName::Named(Cow::Borrowed("Noto Sans Devanagari")),
];

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Points.
    pub(super) size: f32,
    /// Whether it is bold.
    pub(super) bold: bool,
    /// 0 is black.
    pub(super) grey: u8,
    /// Whether it ends at the right.
    pub(super) to_the_right: bool,
}

impl Style {
    /// Black text of this size.
    pub(super) const fn of(size: f32) -> Self {
        Self { size, bold: false, grey: 0, to_the_right: false }
    }

    /// The same, bold.
    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// The same, in grey.
    pub(super) const fn grey(self) -> Self {
        Self { grey: 90, ..self }
    }

    /// The same, ending at the right.
    pub(super) const fn right(self) -> Self {
        Self { to_the_right: true, ..self }
    }
}

/// A text in lines of some width.
pub(super) struct Piece {
    text: String,
    layout: Layout<()>,
    grey: u8,
}

impl Piece {
    /// How many lines it has.
    pub(super) fn lines(&self) -> usize {
        self.layout.len()
    }

    /// How high some of its lines are.
    pub(super) fn height(&self, lines: &Range<usize>) -> f32 {
        match (self.layout.get(lines.start), lines.end.checked_sub(1).and_then(|last| self.layout.get(last))) {
            (Some(first), Some(last)) if lines.start < lines.end => {
                last.metrics().block_max_coord - first.metrics().block_min_coord
            }
            _ => 0.0,
        }
    }

    /// The lines from this one on that fit into a height.
    pub(super) fn fitting(&self, from: usize, height: f32) -> Range<usize> {
        let mut to = from;
        while to < self.lines() && self.height(&(from..to + 1)) <= height {
            to += 1;
        }
        from..to
    }
}

/// Makes pieces, and writes them.
pub(super) struct Typesetter {
    fonts: FontContext,
    layouts: LayoutContext<()>,
    faces: HashMap<u64, Font>,
    /// Whether a character has no letter in any font.
    pub(super) is_incomplete: bool,
}

impl Typesetter {
    /// One with our own fonts and no others.
    pub(super) fn new() -> Self {
        let options = CollectionOptions { shared: false, system_fonts: false };
        let mut fonts = FontContext { collection: Collection::new(options), ..FontContext::default() };
        for file in FILES {
            fonts.collection.register_fonts(Blob::new(Arc::new(file)), None);
        }
        Self { fonts, layouts: LayoutContext::new(), faces: HashMap::new(), is_incomplete: false }
    }

    /// Breaks a text into lines; a word that is wider than a line is broken too.
    pub(super) fn set(&mut self, text: &str, style: Style, width: f32) -> Piece {
        let text = printable(text);
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, &text, 1.0, false);
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(Cow::Borrowed(&FAMILIES))));
        builder.push_default(StyleProperty::FontSize(style.size));
        builder.push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(1.35)));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        builder.push_default(StyleProperty::FontWeight(FontWeight::new(if style.bold { 700.0 } else { 400.0 })));
        let mut layout = builder.build(&text);
        layout.break_all_lines(Some(width));
        layout.align(if style.to_the_right { Alignment::End } else { Alignment::Start }, Default::default());
        self.is_incomplete |= has_gaps(&layout, &text);
        Piece { text, layout, grey: style.grey }
    }

    /// Writes some lines of a piece, the first one's top at `y`.
    pub(super) fn write(&mut self, surface: &mut Surface<'_>, piece: &Piece, lines: &Range<usize>, x: f32, y: f32) {
        let ink = luma::Color::new(piece.grey);
        surface.set_fill(Some(Fill { paint: ink.into(), opacity: NormalizedF32::ONE, ..Fill::default() }));
        let Some(top) = piece.layout.get(lines.start).map(|line| line.metrics().block_min_coord) else { return };
        for line in piece.layout.lines().skip(lines.start).take(lines.len()) {
            self.write_line(surface, piece, line, x, y - top);
        }
    }

    fn write_line(&mut self, surface: &mut Surface<'_>, piece: &Piece, line: Line<'_, ()>, x: f32, y: f32) {
        let baseline = y + line.metrics().baseline;
        let mut at = x + line.metrics().offset;
        for run in line.runs() {
            let Some(face) = self.face(&run) else { continue };
            let (glyphs, advance) = glyphs(&run, &piece.text);
            if !glyphs.is_empty() {
                surface.draw_glyphs(Point::from_xy(at, baseline), &glyphs, face, &piece.text, run.font_size(), false);
            }
            at += advance;
        }
    }

    fn face(&mut self, run: &Run<'_, ()>) -> Option<Font> {
        let font = run.font();
        let (data, id) = font.data.clone().into_raw_parts();
        if let Some(face) = self.faces.get(&id) {
            return Some(face.clone());
        }
        let face = Font::new(data.into(), font.index)?;
        self.faces.insert(id, face.clone());
        Some(face)
    }
}

/// The glyphs of a run with their places relative to the font's size, and how far they reach.
fn glyphs(run: &Run<'_, ()>, text: &str) -> (Vec<KrillaGlyph>, f32) {
    let size = run.font_size();
    let mut glyphs: Vec<KrillaGlyph> = Vec::new();
    let mut advance = 0.0;
    for cluster in run.visual_clusters() {
        let range = cluster.text_range();
        if cluster.is_ligature_continuation() {
            if let Some(glyph) = glyphs.last_mut() {
                glyph.text_range.end = glyph.text_range.end.max(range.end);
            }
            continue;
        }
        if is_end_of_line(text, &range) {
            continue;
        }
        for glyph in cluster.glyphs() {
            let (x, y) = (glyph.x / size, glyph.y / size);
            let id = GlyphId::new(glyph.id);
            glyphs.push(KrillaGlyph::new(id, glyph.advance / size, x, y, 0.0, range.clone(), None));
            advance += glyph.advance;
        }
    }
    (glyphs, advance)
}

fn is_end_of_line(text: &str, range: &Range<usize>) -> bool {
    text.get(range.clone()) == Some("\n")
}

/// Whether some character is drawn as an empty box.
fn has_gaps(layout: &Layout<()>, text: &str) -> bool {
    let clusters = layout.lines().flat_map(|line| line.runs()).flat_map(|run| run.clusters().collect::<Vec<_>>());
    clusters
        .filter(|cluster| !is_end_of_line(text, &cluster.text_range()))
        .any(|cluster| cluster.glyphs().any(|glyph| glyph.id == 0))
}

/// Without signs that print nothing but change how others are read: controls, and the marks that turn text around. Those
/// that join letters stay, Devanagari needs them.
fn printable(text: &str) -> String {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut printable = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\n' => printable.push('\n'),
            '\r' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}' | '\u{85}' => printable.push('\n'),
            '\t' => printable.push(' '),
            '\u{feff}' => {}
            other if other.is_control() || turns(other) => {}
            other => printable.push(other),
        }
    }
    printable
}
