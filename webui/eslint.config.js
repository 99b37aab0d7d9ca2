/** What is looked for in the page's sources beside their types. */

import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["node_modules"] },
  js.configs.recommended,
  ...ts.configs.strict,
  a11y.flatConfigs.recommended,
  {
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "what others write is never markup",
        },
        {
          selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]",
          message: "what others write is never markup",
        },
      ],
      // what these lists are is for screen readers that forget it where they show no bullets
      "jsx-a11y/no-redundant-roles": "off",
      // the lists' items are chosen by the keyboard in the field that controls them
      "jsx-a11y/no-noninteractive-element-to-interactive-role": ["error", { ul: ["listbox"], li: ["option"] }],
    },
  },
  {
    files: ["tests/**"],
    rules: { "@typescript-eslint/no-empty-function": "off" },
  },
);
