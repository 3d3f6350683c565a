"Größ
e zz" IS NOT NULL