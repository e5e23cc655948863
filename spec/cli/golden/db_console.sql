.tables
insert into users (name, note) values ('ann', 'two
lines'), ('Ωmega', null);
select id, name, note from users; select count(*) as n from orders;
select * from orders;
insert into users (name) values ('bob') returning id, name;
pragma table_info(orders);
create trigger shout after insert on orders begin update users set note = 'ordered; twice' where id = new.user_id; end;
insert into orders (user_id) values (1);
select note, x'00ff' as raw, 1.5 as real, 9007199254740993 as big from users where id = 1;
.schema orders
select nme from users;
.tabels
begin;
delete from users where id > 5;
.quit
select 'never';
