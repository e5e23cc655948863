create table users (
  id integer primary key,
  name text not null,
  email text not null unique
);
create table profiles (
  id integer primary key,
  user_id integer not null unique references users (id),
  bio text not null
);
create table addresses (
  id integer primary key,
  user_id integer not null references users (id),
  street text not null
);
create index addresses_by_user on addresses (user_id);
create table orders (
  id integer primary key,
  user_id integer not null references users (id),
  total real not null
);
