CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  day TEXT NOT NULL,
  country TEXT NOT NULL,
  product TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  price REAL NOT NULL,
  cost REAL NOT NULL
);
