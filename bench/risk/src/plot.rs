//! Plots as SVG, readable on white and on dark paper: nothing is filled behind them, and the ink follows the reader's scheme.

use std::fmt::Write as _;

use crate::statistics::Estimate;

pub const COLOURS: [&str; 9] =
    ["#2f81f7", "#d9730d", "#2da44e", "#bf3989", "#8250df", "#b08800", "#cf222e", "#1b7c83", "#7d8590"];

const STYLE: &str = "<style>text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#57606a}\
    .title{font-size:15px;font-weight:600;fill:#24292f}.small{font-size:11.5px}.axis{stroke:#8c959f;stroke-width:1}\
    .grid{stroke:#8c959f;stroke-opacity:.25;stroke-width:1}.mark{stroke:#8c959f;stroke-dasharray:4 4}\
    @media (prefers-color-scheme:dark){text{fill:#adb5bf}.title{fill:#e6edf3}}</style>";

pub struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

impl Drawing {
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" class="{class}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    pub fn stroke(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    pub fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"/>"#,
            joined(points)
        );
    }

    pub fn area(&mut self, points: &[(f64, f64)], colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<polygon points="{}" fill="{colour}" fill-opacity=".16" stroke="none"/>"#,
            joined(points)
        );
    }

    pub fn dot(&mut self, at: (f64, f64), radius: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<circle cx="{:.1}" cy="{:.1}" r="{radius}" fill="{colour}"/>"#,
            at.0, at.1
        );
    }

    pub fn finish(self, title: &str) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\">\n<title>{title}</title>\n{STYLE}\n{}</svg>\n",
            self.body
        )
    }
}

fn joined(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// A panel with both axes.
pub struct Axes {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x_max: f64,
}

impl Axes {
    pub fn x(&self, value: f64) -> f64 {
        self.left + self.width * (value / self.x_max).clamp(0.0, 1.0)
    }

    /// Of a share, from 0 to 1.
    pub fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - value.clamp(0.0, 1.0))
    }

    pub fn draw(&self, drawing: &mut Drawing, title: &str, x_label: &str, y_label: &str, x_step: f64) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        drawing.text(self.left, self.top - 16.0, "start", "title", title);
        for fifth in 0..=5 {
            let share = f64::from(fifth) / 5.0;
            drawing.line((self.left, self.y(share)), (right, self.y(share)), "grid");
            drawing.text(self.left - 8.0, self.y(share) + 4.0, "end", "small", &format!("{share:.1}"));
        }
        let mut at = 0.0;
        while at <= self.x_max + 1e-9 {
            drawing.line((self.x(at), bottom), (self.x(at), bottom + 5.0), "axis");
            drawing.text(self.x(at), bottom + 19.0, "middle", "small", &format!("{at}"));
            at += x_step;
        }
        drawing.line((self.left, bottom), (right, bottom), "axis");
        drawing.line((self.left, self.top), (self.left, bottom), "axis");
        drawing.text(f64::midpoint(self.left, right), bottom + 40.0, "middle", "", x_label);
        let (x, y) = (self.left - 42.0, f64::midpoint(self.top, bottom));
        let _ = writeln!(
            drawing.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" transform="rotate(-90 {x:.1} {y:.1})">{y_label}</text>"#
        );
    }

    /// A vertical line with a word above it.
    pub fn mark(&self, drawing: &mut Drawing, value: f64, word: &str, anchor: &str) {
        drawing.line((self.x(value), self.top), (self.x(value), self.top + self.height), "mark");
        let off = if anchor == "end" { -3.0 } else { 3.0 };
        drawing.text(self.x(value) + off, self.top + self.height - 6.0, anchor, "small", word);
    }

    /// Shares over rates, with what lies between low and high shaded.
    pub fn curve(&self, drawing: &mut Drawing, points: &[(f64, Estimate)], colour: &str, with_area: bool) {
        // In the order of the thresholds, lowest last.
        let inside: Vec<_> = points.iter().rev().filter(|(x, _)| *x <= self.x_max).copied().collect();
        if with_area {
            let high = inside.iter().map(|(x, y)| (self.x(*x), self.y(y.high)));
            let low = inside.iter().rev().map(|(x, y)| (self.x(*x), self.y(y.low)));
            drawing.area(&high.chain(low).collect::<Vec<_>>(), colour);
        }
        let line: Vec<_> = inside.iter().map(|(x, y)| (self.x(*x), self.y(y.value))).collect();
        drawing.path(&line, colour);
    }
}

/// Names with their colours, one below the other.
pub fn legend(drawing: &mut Drawing, x: f64, y: f64, names: &[(&str, &str)]) {
    for (place, (name, colour)) in names.iter().enumerate() {
        let line = y + 19.0 * place as f64;
        drawing.stroke((x, line - 4.0), (x + 18.0, line - 4.0), colour, 3.0);
        drawing.text(x + 26.0, line, "start", "small", name);
    }
}
