-- Somebody kept the last year of a permit as a number.
CREATE TABLE permits (permit_no TEXT PRIMARY KEY, holder_ar TEXT, use_ar TEXT, issued_on DATE, valid_until INTEGER);
