use textwrap::{Options, WordSplitter};

/// How a terminal wants its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether to colour. Words say everything that colours say.
    pub color: bool,
    /// Whether to list every tensor, however many pass.
    pub all: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 120, color: false, all: false }
    }
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Warning,
    Quiet,
    Strong,
}

impl Tone {
    pub(crate) fn paint(self, style: &Style, text: &str) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warning => "33",
            Self::Quiet => "2",
            Self::Strong => "1",
            Self::Plain => return text.to_owned(),
        };
        if style.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Lines no longer than the terminal is wide, as far as words allow; what goes on stands under its line, two columns in.
pub(crate) fn wrapped(style: &Style, text: &str) -> String {
    let line = |line: &str| {
        let margin = " ".repeat(line.len() - line.trim_start().len() + 2);
        let options = Options::new(style.width).subsequent_indent(&margin).break_words(false);
        textwrap::fill(line, options.word_splitter(WordSplitter::NoHyphenation)) + "\n"
    };
    text.lines().map(line).collect()
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// `text` in at most `most` columns. The ending that exporters give to every tensor goes first; then what is in the
/// middle, as names begin with the module and end with the operator.
pub(crate) fn elide(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let short = text.strip_suffix("output_0").filter(|short| short.len() > 1).unwrap_or(text);
    let length = width(short);
    if length < most && short != text {
        return format!("{short}…");
    }
    let tail = most.saturating_sub(1) / 2;
    let head = most.saturating_sub(1) - tail;
    let start: String = short.chars().take(head).collect();
    let end: String = short.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_under_themselves() {
        let style = Style { width: 20, ..Style::default() };
        let text =
            wrapped(&style, "short\n  a line that does not fit\n\n/a/name/longer/than/that x\n");
        assert_eq!(
            text,
            "short\n  a line that does\n    not fit\n\n/a/name/longer/than/that\n  x\n"
        );
        let coloured = Tone::Bad.paint(&style, "x: ") + "twelve columns";
        assert_eq!(wrapped(&style, &coloured), coloured + "\n");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(elide("/module_1/Conv_output_0", 23), "/module_1/Conv_output_0");
        assert_eq!(elide("/module_1/Conv_output_0", 22), "/module_1/Conv_…");
        assert_eq!(elide("/module_1/Conv_output_0", 14), "/module…/Conv_");
        assert_eq!(elide("abcdefghij", 5), "ab…ij");
    }
}
