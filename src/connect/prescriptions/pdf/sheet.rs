//! Pages: what is put on them one below the other, and tables that go on with their header on the next page. Nothing is
//! written before all is placed, for each page says how many there are.

use std::ops::Range;

use krilla::Document;
use krilla::color::luma;
use krilla::geom::{PathBuilder, Rect};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;

use super::typesetting::{Piece, Style, Typesetter};

/// A4, in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// At the left and right.
pub(super) const MARGIN: f32 = 48.0;
/// Between the margins.
pub(super) const BODY: f32 = WIDTH - 2.0 * MARGIN;
const TOP: f32 = 44.0;
/// Where the body ends; below is the foot.
const BOTTOM: f32 = HEIGHT - 62.0;
/// Around the text of a cell.
const PAD: f32 = 5.0;

/// Something with its place on a page.
enum Mark {
    Text {
        piece: usize,
        lines: Range<usize>,
        x: f32,
        y: f32,
    },
    /// A filled rectangle: a band, a rule.
    Bar {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        grey: u8,
    },
}

/// A column of a table.
pub(super) struct Column {
    /// Its heading.
    pub(super) name: &'static str,
    /// Points.
    pub(super) width: f32,
    /// Of its cells.
    pub(super) style: Style,
}

/// Pages being filled.
pub(super) struct Sheet {
    /// Makes the pieces.
    pub(super) typesetter: Typesetter,
    pieces: Vec<Piece>,
    pages: Vec<Vec<Mark>>,
    /// What each page but the first begins with.
    running_head: String,
    y: f32,
}

impl Sheet {
    /// A first page.
    pub(super) fn new(running_head: String) -> Self {
        Self { typesetter: Typesetter::new(), pieces: Vec::new(), pages: vec![Vec::new()], running_head, y: TOP }
    }

    /// Leaves space.
    pub(super) fn skip(&mut self, height: f32) {
        self.y += height;
    }

    /// Goes on to a new page unless so much still fits.
    pub(super) fn need(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.new_page();
        }
    }

    /// A line across the body.
    pub(super) fn rule(&mut self, grey: u8, height: f32) {
        let y = self.y;
        self.mark(Mark::Bar { x: MARGIN, y, width: BODY, height, grey });
        self.y += height;
    }

    /// A text below what is there, on as many pages as it needs.
    pub(super) fn text(&mut self, text: &str, style: Style) {
        let piece = self.typesetter.set(text, style, BODY);
        let (count, piece) = (piece.lines(), self.keep(piece));
        let mut from = 0;
        while from < count {
            let Some(lines) = self.pieces.get(piece).map(|piece| piece.fitting(from, BOTTOM - self.y)) else { return };
            if lines.is_empty() {
                self.new_page();
                continue;
            }
            from = lines.end;
            let height = self.place(piece, lines, MARGIN, self.y);
            self.y += height;
        }
    }

    /// Two columns beside each other; what follows begins below the longer one.
    pub(super) fn beside(&mut self, left: &[(&str, Style)], right: &[(&str, Style)], split: f32) {
        let (top, mut ends) = (self.y, [self.y; 2]);
        let columns = [(left, MARGIN, split - 12.0), (right, MARGIN + split, BODY - split)];
        for ((texts, x, width), end) in columns.into_iter().zip(&mut ends) {
            let mut y = top;
            for (text, style) in texts.iter().filter(|(text, _)| !text.is_empty()) {
                let piece = self.typesetter.set(text, *style, width);
                let (all, piece) = (0..piece.lines(), self.keep(piece));
                y += self.place(piece, all, x, y);
            }
            *end = y;
        }
        self.y = ends.into_iter().fold(top, f32::max);
    }

    /// How high a text is over the body's width.
    pub(super) fn height_of(&mut self, text: &str, style: Style) -> f32 {
        let piece = self.typesetter.set(text, style, BODY);
        piece.height(&(0..piece.lines()))
    }

    /// A table. A row that fits on a page is not torn; one that does not goes on where the next page begins.
    pub(super) fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) {
        self.need(72.0);
        self.head(columns);
        for row in rows {
            let mut cells: Vec<(usize, Range<usize>)> = Vec::with_capacity(columns.len());
            for (column, text) in columns.iter().zip(row) {
                let piece = self.typesetter.set(text, column.style, column.width - 2.0 * PAD);
                let (lines, piece) = (0..piece.lines(), self.keep(piece));
                cells.push((piece, lines));
            }
            self.row(columns, cells);
        }
    }

    fn row(&mut self, columns: &[Column], mut left: Vec<(usize, Range<usize>)>) {
        let whole = left.iter().map(|(piece, lines)| self.height(*piece, lines)).fold(0.0, f32::max) + 2.0 * PAD;
        let page = BOTTOM - TOP - 80.0;
        // A torn row begins with some lines, not with none.
        let begins = if whole <= page { whole } else { 60.0 };
        if self.y + begins > BOTTOM {
            self.new_page();
            self.head(columns);
        }
        loop {
            let room = BOTTOM - self.y - 2.0 * PAD;
            let mut height: f32 = 0.0;
            let mut x = MARGIN;
            let mut is_done = true;
            for (column, (piece, lines)) in columns.iter().zip(&mut left) {
                let Some(now) = self.pieces.get(*piece).map(|piece| piece.fitting(lines.start, room)) else { continue };
                let placed = self.place(*piece, now.clone(), x + PAD, self.y + PAD);
                height = height.max(placed);
                lines.start = now.end;
                is_done &= lines.start >= lines.end;
                x += column.width;
            }
            self.y += height + 2.0 * PAD;
            self.rule(200, 0.5);
            if is_done {
                return;
            }
            self.new_page();
            self.head(columns);
            // Where it goes on, its number stands again.
            if let Some((_, number)) = left.first_mut() {
                number.start = 0;
            }
        }
    }

    fn head(&mut self, columns: &[Column]) {
        let style = Style::of(9.0).bold();
        let (mut x, mut height, mut texts) = (MARGIN, 0.0_f32, Vec::new());
        for column in columns {
            let piece = self.typesetter.set(column.name, style, column.width - 2.0 * PAD);
            let (lines, piece) = (0..piece.lines(), self.keep(piece));
            height = height.max(self.height(piece, &lines));
            texts.push((piece, lines, x + PAD));
            x += column.width;
        }
        let y = self.y;
        self.mark(Mark::Bar { x: MARGIN, y, width: BODY, height: height + 2.0 * PAD, grey: 232 });
        for (piece, lines, x) in texts {
            self.place(piece, lines, x, y + PAD);
        }
        self.y += height + 2.0 * PAD;
    }

    fn new_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
        let head = self.running_head.clone();
        let piece = self.typesetter.set(&head, Style::of(9.0).grey(), BODY);
        let (lines, piece) = (0..piece.lines().min(2), self.keep(piece));
        self.y += self.place(piece, lines, MARGIN, self.y) + 4.0;
        self.rule(150, 0.75);
        self.skip(10.0);
    }

    fn keep(&mut self, piece: Piece) -> usize {
        self.pieces.push(piece);
        self.pieces.len() - 1
    }

    fn height(&self, piece: usize, lines: &Range<usize>) -> f32 {
        self.pieces.get(piece).map_or(0.0, |piece| piece.height(lines))
    }

    /// Puts lines at a place; answers how high they are.
    fn place(&mut self, piece: usize, lines: Range<usize>, x: f32, y: f32) -> f32 {
        let height = self.height(piece, &lines);
        self.mark(Mark::Text { piece, lines, x, y });
        height
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Writes all pages, each with the foot and its number.
    pub(super) fn write(mut self, document: &mut Document, foot: &str) {
        let pages = std::mem::take(&mut self.pages);
        let count = pages.len();
        for (number, marks) in (1..).zip(pages) {
            let Some(size) = PageSettings::from_wh(WIDTH, HEIGHT) else { return };
            let mut page = document.start_page_with(size);
            let mut surface = page.surface();
            for mark in &marks {
                match mark {
                    Mark::Bar { x, y, width, height, grey } => bar(&mut surface, [*x, *y, *width, *height], *grey),
                    Mark::Text { piece, lines, x, y } => {
                        if let Some(piece) = self.pieces.get(*piece) {
                            self.typesetter.write(&mut surface, piece, lines, *x, *y);
                        }
                    }
                }
            }
            self.write_foot(&mut surface, foot, &format!("Page {number} of {count}"));
            surface.finish();
            page.finish();
        }
    }

    fn write_foot(&mut self, surface: &mut Surface<'_>, foot: &str, number: &str) {
        let y = BOTTOM + 14.0;
        bar(surface, [MARGIN, y - 6.0, BODY, 0.5], 150);
        let style = Style::of(8.0).grey();
        let left = self.typesetter.set(foot, style, BODY - 90.0);
        self.typesetter.write(surface, &left, &(0..left.lines().min(3)), MARGIN, y);
        let right = self.typesetter.set(number, style.right(), 80.0);
        self.typesetter.write(surface, &right, &(0..right.lines()), MARGIN + BODY - 80.0, y);
    }
}

fn bar(surface: &mut Surface<'_>, [x, y, width, height]: [f32; 4], grey: u8) {
    let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
    let mut path = PathBuilder::new();
    path.push_rect(rect);
    if let Some(path) = path.finish() {
        surface.set_fill(Some(Fill { paint: luma::Color::new(grey).into(), ..Fill::default() }));
        surface.draw_path(&path);
    }
}
