/**
 * Tells case, accents and trailing spaces apart, under the name that each kind of server has for it: MariaDB reads the
 * first comment, MySQL from 8.0.17 on the second.
 */
export const collation = '/*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */'
