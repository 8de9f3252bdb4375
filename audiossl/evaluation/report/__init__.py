"""The report for people: lines of the table, figures, the page."""
