//! Turns records into terminal tables, JSON, HTML, Markdown and JUnit.
