"""How a day, a week, a month went: figures read from the book, and the page that shows them."""
