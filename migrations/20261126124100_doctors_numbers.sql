-- Registration numbers are kept without spaces around them now, so that none stands beside itself.
update doctors d
set registration_number = btrim(registration_number, E' \t\r\n')
where registration_number <> btrim(registration_number, E' \t\r\n')
  and not exists (
      select from doctors o
      where o.id <> d.id
        and btrim(o.registration_number, E' \t\r\n') = btrim(d.registration_number, E' \t\r\n')
  );
