-- Nobody ever wrote down until when a permit is valid.
CREATE TABLE permits (permit_no TEXT PRIMARY KEY, holder_ar TEXT, use_ar TEXT, issued_on TEXT);
