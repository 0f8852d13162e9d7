-- In how many names a word stands, and in how many lines (names or salts): a search gathers what is rare and walks to what
-- is frequent. And the id of a line follows from what it is known by from now on, so that an import never looks it up:
-- catalogues imported before are to be imported again (nothing refers to them; the demo's sample comes back by itself).
delete from medicine_texts;
delete from medicines;
delete from medicine_words;
delete from lab_tests;
delete from lab_test_words;

alter table medicine_words
    add column names integer not null,
    add column lines integer not null;
alter table lab_test_words
    add column names integer not null,
    add column lines integer not null;
