-- The governorate's ERP, as it was before the switch came: its own names, and more than anybody may ask.
CREATE TABLE "BLD_LICENCES" ("LIC_NO" TEXT PRIMARY KEY, "OWNER_NAME" TEXT, "OWNER_NID" TEXT, "USE_TYPE" TEXT, "ISSUE_DT" DATE, "EXPIRY_DT" DATE, "FEE_PAID" INTEGER);
INSERT INTO "BLD_LICENCES" VALUES ('QN-2026-0042', 'جمعية الصعيد للإسكان', '00000000000000', 'سكني', '2026-04-11', '2027-04-10', 18500);
