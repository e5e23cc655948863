CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  day INTEGER NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  region TEXT -- what the API says of the postcode; NULL until it has been asked
);
CREATE INDEX users_by_day ON users (day, region);

CREATE TABLE profiles (
  user_id INTEGER PRIMARY KEY REFERENCES users (id),
  postcode TEXT NOT NULL,
  newsletter INTEGER NOT NULL
);

CREATE TABLE days (
  day INTEGER PRIMARY KEY,
  sign_ups INTEGER NOT NULL,
  report TEXT NOT NULL,
  message TEXT NOT NULL -- the Message-ID of the mail that it went with
);
