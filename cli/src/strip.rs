//! Pictures of a working set: from left to right the RAM, from top to bottom the time.

use uffd_incoming::Touched;

/// A RAM block in a picture.
pub struct Strip<'a> {
    pub name: &'a str,
    pub length: u64,
    /// What of it is touched, and its place in the order of all, which is counted in bytes.
    pub touched: Vec<(u64, &'a Touched)>,
}

/// How many columns and lines a picture in the terminal has.
const COLUMNS: usize = 72;
const LINES: usize = 12;

/// From nothing to all.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// The picture for the terminal; `total` is how many bytes all blocks have that are touched.
pub fn text(strip: &Strip<'_>, total: u64) -> String {
    let mut touched = vec![[0_u64; COLUMNS]; LINES];
    let column_bytes = strip.length.div_ceil(COLUMNS as u64).max(1);
    let line_bytes = total.div_ceil(LINES as u64).max(1);
    for (when, run) in &strip.touched {
        // Piece by piece, as far as neither the column nor the line ends.
        let (mut at, mut when) = (run.bytes.start, *when);
        while at < run.bytes.end {
            let (column, line) = (at / column_bytes, when / line_bytes);
            let left = ((column + 1) * column_bytes - at).min((line + 1) * line_bytes - when);
            let piece = left.min(run.bytes.end - at);
            touched[line as usize][column as usize] += piece;
            (at, when) = (at + piece, when + piece);
        }
    }
    let lines = touched.iter().map(|line| {
        let shades = line.iter().map(|bytes| {
            let steps = (SHADES.len() - 1) as u64;
            // Full, if more does not fit into the column, or into the time.
            SHADES[(bytes * steps).div_ceil(column_bytes.min(line_bytes)).min(steps) as usize]
        });
        format!("|{}|\n", shades.collect::<String>())
    });
    lines.collect()
}

/// What the picture as SVG starts with.
pub const SVG_MAGIC: &[u8] = b"<svg ";

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 20.0;
/// For a block's name above its picture.
const ABOVE: f64 = 34.0;

/// The picture as SVG, with all blocks below each other.
pub fn svg(title: &str, strips: &[Strip<'_>], total: u64) -> String {
    let height = 40.0 + strips.len() as f64 * (HEIGHT + ABOVE) + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{height}\" viewBox=\"0 0 {0} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{1}</text>\n",
        WIDTH + 2.0 * LEFT,
        escaped(title)
    );
    for (number, strip) in strips.iter().enumerate() {
        let top = 40.0 + number as f64 * (HEIGHT + ABOVE) + ABOVE;
        svg += &format!(
            "<text x=\"{LEFT}\" y=\"{}\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#f2f2f2\" stroke=\"#999\"/>\n\
             <g fill=\"#1f5fa8\">\n",
            top - 8.0,
            escaped(strip.name)
        );
        let (x, y) = (WIDTH / strip.length.max(1) as f64, HEIGHT / total.max(1) as f64);
        for (when, run) in &strip.touched {
            let bytes = run.length() as f64;
            svg += &format!(
                "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\"/>\n",
                LEFT + run.bytes.start as f64 * x,
                top + *when as f64 * y,
                (bytes * x).max(0.5),
                (bytes * y).max(0.5)
            );
        }
        svg += "</g>\n";
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    let text = text.replace(char::is_control, "?");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_down_and_addresses_go_right() {
        let length = COLUMNS as u64 * 4096;
        let late = Touched { block: 0, bytes: 0..4096 };
        let early = Touched { block: 0, bytes: length - 8192..length - 4096 };
        let strip = Strip { name: "ram", length, touched: vec![(0, &early), (4096, &late)] };
        let text = text(&strip, 8192);
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), LINES);
        for (number, line) in lines.iter().enumerate() {
            let is_late = number >= LINES / 2;
            assert_eq!((line[1] == '█', line[COLUMNS - 1] == '█'), (is_late, number < LINES / 2), "{number}: {text}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let strip = Strip { name: "<a&b>", length: 4096, touched: Vec::new() };
        assert!(svg("t", &[strip], 0).contains("&lt;a&amp;b&gt;"));
    }
}
