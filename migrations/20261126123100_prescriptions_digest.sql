-- Of the people as they are printed on the PDF: it is made anew when they have changed.
alter table prescription_pdfs add column digest bytea;
